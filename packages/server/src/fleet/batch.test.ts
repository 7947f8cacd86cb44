import { expect, test } from "vitest";
import { createBatch } from "./batch.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("what waits while a batch is under way makes the next one", async () => {
  const batches: string[][] = [];
  let release = (): void => undefined;
  const ask = createBatch<string, string>({
    keyOf: (item) => item,
    concurrency: 1,
    run: async (items) => {
      batches.push([...items]);
      if (batches.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return items.map((item) => item.toUpperCase());
    },
  });
  const first = ask("a");
  await turn();
  const others = [ask("b"), ask("c")];
  await turn();
  release();
  expect(await Promise.all([first, ...others])).toEqual(["A", "B", "C"]);
  expect(batches).toEqual([["a"], ["b", "c"]]);
});

test("two items of one key are never in work at once", async () => {
  let atWork = 0;
  const ask = createBatch<{ key: string }, number>({
    keyOf: ({ key }) => key,
    concurrency: 4,
    run: async (items) => {
      atWork += items.length;
      await turn();
      const most = atWork;
      atWork -= items.length;
      return items.map(() => most);
    },
  });
  const results = await Promise.all(Array.from({ length: 5 }, () => ask({ key: "same" })));
  expect(results).toEqual([1, 1, 1, 1, 1]);
});

test("a batch that fails, fails for all of its items, and the next one works", async () => {
  let fails = true;
  const ask = createBatch<number, number>({
    keyOf: String,
    concurrency: 1,
    run: async (items) => {
      if (fails) throw new Error("on purpose");
      return items;
    },
  });
  const settled = await Promise.allSettled([ask(1), ask(2)]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect(await ask(3)).toBe(3);
});
