/**
 * Orders Debian versions: Debian Policy 5.6.12, `[epoch:]upstream[-revision]`.
 *
 * Parts without digits are compared with `~` before everything, even the end, and letters before
 * other characters; parts of digits as numbers; in turn, from the left.
 */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [splitVersion(a), splitVersion(b)];
  return (
    comparePart(first.epoch, second.epoch) ||
    comparePart(first.upstream, second.upstream) ||
    comparePart(first.revision, second.revision)
  );
}

interface SplitVersion {
  readonly epoch: string;
  readonly upstream: string;
  readonly revision: string;
}

function splitVersion(version: string): SplitVersion {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? "0" : version.slice(0, colon),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "0" : rest.slice(dash + 1),
  };
}

function comparePart(a: string, b: string): number {
  let [restA, restB] = [a, b];
  while (restA !== "" || restB !== "") {
    const [textA = "", textB = ""] = [/^\D*/.exec(restA)?.[0], /^\D*/.exec(restB)?.[0]];
    for (let index = 0; index < Math.max(textA.length, textB.length); index += 1) {
      const difference = weight(textA, index) - weight(textB, index);
      if (difference !== 0) return difference;
    }
    [restA, restB] = [restA.slice(textA.length), restB.slice(textB.length)];
    const [numberA = "", numberB = ""] = [/^\d*/.exec(restA)?.[0], /^\d*/.exec(restB)?.[0]];
    const difference = BigInt(numberA || 0) - BigInt(numberB || 0);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    [restA, restB] = [restA.slice(numberA.length), restB.slice(numberB.length)];
  }
  return 0;
}

function weight(text: string, index: number): number {
  const character = text.charAt(index);
  if (character === "~") return -1;
  if (character === "") return 0;
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
}
