/** What the scenes of the fleet's story work with. */
import type { ClientFleet } from "./client-fleet.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { DemonstrationChannel } from "./demonstration-channel.ts";
import type { DemonstrationFleet } from "./demonstration-fleet.ts";
import type { Play } from "./play.ts";
import type { Scene, Trigger } from "./scene.ts";
import type { Server } from "./server.ts";

/** The server that is patched, and whoever is connected to it. */
export interface Target {
  readonly scene: Scene;
  readonly server: Server;
  readonly clients: ClientFleet;
  readonly buildId: string;
  /** What shows its faults from outside. */
  readonly triggers: readonly Trigger[];
}

export interface Story extends Play {
  readonly target: Target;
  readonly channel: DemonstrationChannel;
  readonly control: ControlPlane;
  readonly fleet: DemonstrationFleet;
}
