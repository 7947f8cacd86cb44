import { expect, test } from "vitest";
import { buildPathIn } from "./build-path.ts";

const nginx = { name: "nginx", version: "1:1.22.1-9+deb12u11" };

test.each([
  [
    "\0--with-cc-opt='-g -ffile-prefix-map=/build/x-1/nginx-1.22.1=. -O2'\0",
    "/build/x-1/nginx-1.22.1",
  ],
  ["\0-fdebug-prefix-map=/build/q=.\0", "/build/q"],
  ["\0/build/nginx-AoTv4W/nginx-1.22.1/src/core/nginx.c\0", "/build/nginx-AoTv4W/nginx-1.22.1"],
  ["\0/home/b/nginx-1.22.1\0", "/home/b/nginx-1.22.1"],
  ["\0/build/x/nginx-1.22.1.1/src/a.c\0", undefined],
  ["\0/build/x/nginx-1a22.1/src/a.c\0", undefined],
  ["\0/usr/share/nginx-1.22.1/x\0", undefined],
  ["\0/nginx-1.22.1/x\0", undefined],
  ["\0-ffile-prefix-map=/tmp/nginx-1.22.1=.\0", undefined],
  ["\0-ffile-prefix-map=/build/../usr/x=.\0", undefined],
  ["nothing", undefined],
])("%j", (text, expected) => {
  expect(buildPathIn(Buffer.from(text, "latin1"), nginx)).toBe(expected);
});
