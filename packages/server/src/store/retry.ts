/** Transactions that PostgreSQL ended because of another one are done again. */
import { setTimeout } from "node:timers/promises";

const attemptsMax = 5;
const pauseMs = 10;

/** Runs `act` again after a deadlock or a serialization failure; other errors pass. */
export async function retried<Value>(act: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (attempt >= attemptsMax || !isOfAnother(error)) throw error;
      // The other one, which was let through, ends meanwhile.
      await setTimeout(pauseMs * attempt);
    }
  }
}

/** 40P01: deadlock_detected, 40001: serialization_failure. */
const isOfAnother = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "40P01" || error.code === "40001");
