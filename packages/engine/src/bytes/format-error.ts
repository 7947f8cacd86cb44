/**
 * Bytes that are not what their format says they should be.
 *
 * `offset` is where in the input the problem stands, in bytes from its start.
 */
export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly what: string;
  readonly offset: number;
  readonly expected: string;
  readonly found: string;

  constructor(problem: { what: string; offset: number; expected: string; found: string }) {
    super(
      `${problem.what} at offset ${problem.offset}: expected ${problem.expected}, found ${problem.found}`,
    );
    this.what = problem.what;
    this.offset = problem.offset;
    this.expected = problem.expected;
    this.found = problem.found;
  }
}
