import { expect, test } from "vitest";
import { csvLine } from "./csv.ts";

test.each([
  [["a", "b"], "a,b\r\n"],
  [['say "x"', "a,b"], '"say ""x""","a,b"\r\n'],
  [["=1+1", "-x", "@x", "+x"], "'=1+1,'-x,'@x,'+x\r\n"],
  [["two\nlines", ""], '"two\nlines",\r\n'],
])("%j", (cells, line) => {
  expect(csvLine(cells)).toBe(line);
});
