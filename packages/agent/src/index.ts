export { AGENT_PROBLEMS, AgentError, type AgentProblem } from "./errors.ts";
export {
  askExecutor,
  connectExecutor,
  type ExecutorConnection,
  ExecutorRefusal,
} from "./executor-client.ts";
export { type AgentFolders, foldersBelow } from "./folders.ts";
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
export {
  type NetworkHalf,
  type NetworkHalfOptions,
  openNetworkHalf,
} from "./network/network-half.ts";
export * from "./protocol.ts";
export { makeAgentFolders, writeRootFile } from "./root-files.ts";
export {
  type AgentSettings,
  type ControlSettings,
  parseSettings,
  readSettings,
} from "./settings.ts";
