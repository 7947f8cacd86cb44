/**
 * When is a group good enough to go on, and when bad enough to halt?
 *
 * The problem: a share means little among few devices and comes too late among many. "At most 5%
 * may fail" is 0.25 of a device in a ring of 5. In a ring of 5,000 it is 250 devices, and nobody
 * wants 250 crashed services before something happens.
 *
 * Three rules halt, each on evidence of its own:
 *
 * 1. **The count.** As soon as more devices erred than the whole group may (threshold times
 *    devices, rounded down), no later success can bring the group back below its threshold. This
 *    is arithmetic, not statistics, and it alone decides in small groups, where it means "the
 *    first error halts".
 * 2. **The rate of errors** among the devices that answered. A likelihood ratio of "the true rate
 *    is 2, 4, 8 or 16 times the threshold" (their mean) against "it is the threshold". It may be
 *    looked at after every answer: under any rate up to the threshold the ratio is a
 *    supermartingale with mean 1, so that by Ville's inequality it ever reaches 40 with a
 *    probability of at most 1/40. (Wald, Sequential Tests of Statistical Hypotheses, Annals of
 *    Mathematical Statistics 16, 1945; the mixture over alternatives: Robbins, Annals of
 *    Mathematical Statistics 41, 1970.)
 * 3. **The rate of health signals** over the time watched. Most harm shows late: a leak reverts a
 *    device an hour after thousands have applied the hotpatch and count as good. So signals are
 *    not compared with devices but with watched time, a device that was watched for half of its
 *    48 hours being half a watch: the same ratio for a Poisson process (Dvoretzky, Kiefer and
 *    Wolfowitz, Annals of Mathematical Statistics 24, 1953; as used to watch vaccines: Kulldorff
 *    and others, Sequential Analysis 30, 2011). It supposes that signals come evenly over the
 *    watch. Those of a bad hotpatch come early, which errs towards halting.
 *
 * Rules 2 and 3 together halt at most 1 in 20 groups whose true rate is just the threshold, and
 * fewer below it. The cost of a false halt is that a person looks and resumes.
 *
 * With the defaults (errors 5%, successes 90%):
 *
 *     devices   halts at                                             goes on at
 *           3   the 1st error                                        3 successes
 *           5   the 1st error                                        5 successes
 *          50   the 3rd error, or 2 in the first 2 answers           45 successes
 *       5,000   2 errors in the first 2 answers, 3 in 5, 4 in 10,    4,500 successes
 *               14 in 100, 80 in 1,000, at the latest the 251st;
 *               where all 5,000 are watched: the 3rd health signal
 *               within a minute, the 6th within 10 minutes, the
 *               15th within an hour
 *
 * Why no confidence bound for successes: the devices that have not answered are no random sample
 * (they are switched off, full, or far away), so that those that have answered say nothing of
 * them. Successes are counted. What is done about silence stands in rollout.ts.
 */

export interface GroupEvidence {
  /** Devices of the group that need the update. */
  readonly devices: number;
  /** Those of them whose attempt came to an end: applied, restarted, or an error. */
  readonly answered: number;
  /** Devices that refused or failed, and were not reverted by a health signal. */
  readonly otherErrors: number;
  /** Devices that a health signal reverted, whatever became of them since. */
  readonly healthReverts: number;
  /** Time under watch, summed over the devices, in whole health watches. */
  readonly watches: number;
}

export const HaltRule = {
  errorCount: "error-count",
  errorRate: "error-rate",
  healthRate: "health-rate",
} as const;
export type HaltRule = (typeof HaltRule)[keyof typeof HaltRule];

/** Ratio at which each of the two sequential tests halts: 1 in 40 is wrong. */
const RATIO_MAX = 40;
const ALTERNATIVES = [2, 4, 8, 16] as const;
const RATE_MAX = 0.99;
/** Products of shares and counts are off by less than this. */
const ROUNDING = 1e-9;

/** How many devices may err: the threshold's share of the group, rounded down. */
export const errorsAllowed = (errorThreshold: number, devices: number): number =>
  Math.floor(errorThreshold * devices + ROUNDING);

/** How many devices must have it: the threshold's share of the group, rounded up, and at least one. */
export const successesNeeded = (successThreshold: number, devices: number): number =>
  Math.max(Math.min(1, devices), Math.ceil(successThreshold * devices - ROUNDING));

/** The rule by which the group is to be halted, or undefined while none says so. */
export function haltRuleOf(evidence: GroupEvidence, errorThreshold: number): HaltRule | undefined {
  const errors = evidence.otherErrors + evidence.healthReverts;
  if (errors === 0) return undefined;
  if (errors > errorsAllowed(errorThreshold, evidence.devices)) return HaltRule.errorCount;
  if (errorRatio(errors, evidence.answered, errorThreshold) >= RATIO_MAX) return HaltRule.errorRate;
  const { healthReverts, watches } = evidence;
  if (healthRatio(healthReverts, watches, errorThreshold) >= RATIO_MAX) return HaltRule.healthRate;
  return undefined;
}

/** Likelihood ratio of too high a rate of errors; 0 where it cannot be told. */
function errorRatio(errors: number, answered: number, rate: number): number {
  const good = Math.max(0, answered - errors);
  return meanRatio(rate, (other) => {
    const perError = Math.log(other / rate);
    const perSuccess = Math.log((1 - other) / (1 - rate));
    return errors * perError + good * perSuccess;
  });
}

/** The same for signals over watched time: rates are per watch, `-ln(1 - share)`. */
function healthRatio(signals: number, watches: number, share: number): number {
  if (signals === 0) return 0;
  const rate = -Math.log(1 - share);
  return meanRatio(share, (other) => {
    const otherRate = -Math.log(1 - other);
    return signals * Math.log(otherRate / rate) - watches * (otherRate - rate);
  });
}

function meanRatio(rate: number, logRatioOf: (other: number) => number): number {
  if (rate <= 0 || rate >= RATE_MAX) return 0;
  const ratios = ALTERNATIVES.map((times) =>
    Math.exp(logRatioOf(Math.min(RATE_MAX, times * rate))),
  );
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}
