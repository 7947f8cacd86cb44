/** Counts of compliance states, as pages show them. */
import { type ComplianceCounts, ComplianceState } from "@suture/contract";
import { paths } from "../paths.ts";
import type { StatePart } from "../ui/state-bar.tsx";
import { COMPLIANCE_TONE } from "../ui/state-mark.tsx";
import { COMPLIANCE } from "../ui/words.ts";

interface Counted {
  readonly counts: ComplianceCounts;
}

/** Devices that are protected: hotpatched or restarted. */
export const upToDate = ({ counts }: Counted): number =>
  counts["up-to-date-hotpatched"] + counts["up-to-date-restarted"];

/** The compliance states as parts of a bar, each linked to its devices. */
export const complianceParts = (counts: ComplianceCounts): StatePart[] =>
  Object.values(ComplianceState).map((state) => ({
    key: state,
    name: COMPLIANCE[state],
    tone: COMPLIANCE_TONE[state],
    value: counts[state],
    place: paths.devices({ compliance: state }),
  }));
