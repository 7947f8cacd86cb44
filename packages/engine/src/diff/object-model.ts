/** What an object consists of, as the passes see it. */
export interface ObjectModel {
  readonly name: string;
}
