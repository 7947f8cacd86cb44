/** Which places of a function and of its linked form correspond. */

export interface LabelMap {
  /** A filler before the next pair: a branch to it is a branch to what comes after. */
  readonly addObject: (offset: number) => void;
  readonly addLinked: (offset: number) => void;
  readonly pair: (object: number, linked: number) => void;
  readonly addBranch: (branch: BranchPair) => void;
  /** True when an offset of the object and one of the linked code are the same place. */
  readonly corresponds: (object: number, linked: number) => boolean;
  /** The first branch whose two targets do not correspond. */
  readonly wrongBranch: () => BranchPair | undefined;
}

/** Two targets, each an offset from its function's start. */
export interface BranchPair {
  readonly object: number;
  readonly linked: number;
}

export function createLabelMap(): LabelMap {
  const object = new Map<number, number>();
  const linked = new Map<number, number>();
  const branches: BranchPair[] = [];
  let next = 0;
  const corresponds = (one: number, other: number): boolean => {
    const pair = object.get(one);
    return pair !== undefined && pair === linked.get(other);
  };
  return {
    addObject: (offset) => {
      object.set(offset, next);
    },
    addLinked: (offset) => {
      linked.set(offset, next);
    },
    pair: (one, other) => {
      object.set(one, next);
      linked.set(other, next);
      next++;
    },
    addBranch: (branch) => {
      branches.push(branch);
    },
    corresponds,
    wrongBranch: () => branches.find((it) => !corresponds(it.object, it.linked)),
  };
}
