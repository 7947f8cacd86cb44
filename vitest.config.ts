import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts"],
    // ptrace belongs to one OS thread and some tests stop their own children: a process each.
    pool: "forks",
    // One at a time: tests of live processes are about moments, and a busy machine blurs them.
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 600_000,
  },
});
