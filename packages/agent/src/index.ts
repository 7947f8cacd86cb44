export { AGENT_PROBLEMS, AgentError, type AgentProblem } from "./errors.ts";
export { DECISION_REASONS, type DecisionReason } from "./executor/decision-reasons.ts";
export type { Executor, ExecutorOptions } from "./executor/executor.ts";
export {
  askExecutor,
  connectExecutor,
  type ExecutorConnection,
  ExecutorRefusal,
} from "./executor-client.ts";
export { type AgentFolders, foldersBelow } from "./folders.ts";
export type { CommandRequest, RunCommand } from "./inventory/command-runner.ts";
export { parseEnrolmentAnswer } from "./network/answers.ts";
export {
  checkEnrolment,
  type EnrolmentToken,
  type EnrolRequest,
  enrolDevice,
  parseEnrolmentToken,
  parseServerAddress,
} from "./network/enrol.ts";
export { NETWORK_PROBLEMS, NetworkError, type NetworkProblem } from "./network/errors.ts";
export type { NetworkHalf, NetworkHalfOptions } from "./network/network-half.ts";
export * from "./protocol.ts";
export { makeAgentFolders, writeRootFile } from "./root-files.ts";
export {
  type AgentSettings,
  type ControlSettings,
  parseSettings,
  readSettings,
} from "./settings.ts";

/** Each half is loaded by the process that runs it, and by no other: that saves memory. */
export const loadNetworkHalf = async () => await import("./network/network-half.ts");
export const loadExecutor = async () => ({
  ...(await import("./executor/executor.ts")),
  ...(await import("./inventory/command-runner.ts")),
});
export const loadHttpRequest = async () => await import("./network/http-request.ts");
