/** What is wrong with a field's text, by the contract's own schema. */

/** The rules of a JSON schema that a single field has. */
interface FieldRules {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string | RegExp;
}

/** A sentence, or undefined where the server would take it. `shape` says what the pattern wants. */
export function fieldProblem(
  schema: object,
  value: string | number,
  shape = "Use the form that is shown.",
): string | undefined {
  const rules: FieldRules = { ...schema };
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, minimum, maximum, pattern } = rules;
  if (typeof value === "number") {
    if (minimum !== undefined && value < minimum) return `At least ${minimum}.`;
    if (maximum !== undefined && value > maximum) return `At most ${maximum}.`;
    return Number.isNaN(value) ? "Write a number." : undefined;
  }
  if (value === "" && (minLength > 0 || pattern !== undefined)) return "Fill this in.";
  if (value.length < minLength) return `At least ${minLength} characters.`;
  if (value.length > maxLength) return `At most ${maxLength} characters.`;
  if (pattern === undefined || new RegExp(pattern, "u").test(value)) return undefined;
  return shape;
}
