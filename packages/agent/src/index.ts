export { AGENT_PROBLEMS, AgentError, type AgentProblem } from "./errors.ts";
export {
  askExecutor,
  connectExecutor,
  type ExecutorConnection,
  ExecutorRefusal,
} from "./executor-client.ts";
export * from "./protocol.ts";
