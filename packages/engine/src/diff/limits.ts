/** Bounds on what debug information can make the comparison of types do. */

/** Types inside types (pointers, arrays, members): real ones reach 12. */
export const TYPE_DEPTH_MAX = 64;

/** Members of one struct or union, those of anonymous ones in it included: curl's has 300. */
export const MEMBERS_MAX = 20_000;

/** Types that are named in the text of one: function types with many parameters need 50. */
export const TYPE_TEXT_PARTS_MAX = 500;
