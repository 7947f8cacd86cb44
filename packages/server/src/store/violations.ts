/** What PostgreSQL refuses because of what is there already (appendix A of its manual). */

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

/** A value that must be the only one is not. */
export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === "23505";

/** Something refers to it, or it refers to nothing. */
export const isReferenceViolation = (error: unknown): boolean => codeOf(error) === "23503";
