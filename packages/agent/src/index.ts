export { AGENT_PROBLEMS, AgentError, type AgentProblem } from "./errors.ts";
export {
  askExecutor,
  connectExecutor,
  type ExecutorConnection,
  ExecutorRefusal,
} from "./executor-client.ts";
export { type AgentFolders, foldersBelow } from "./folders.ts";
export * from "./protocol.ts";
export {
  type AgentSettings,
  type ControlSettings,
  parseSettings,
  readSettings,
} from "./settings.ts";
