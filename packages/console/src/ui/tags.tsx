/** Tags of a device: all of them, or the first ones and how many more there are. */
interface TagsProps {
  readonly tags: readonly string[];
  readonly most?: number;
}

export const Tags = ({ tags, most = tags.length }: TagsProps) =>
  tags.length === 0 ? (
    <span className="quiet">none</span>
  ) : (
    <span className="tags">
      {tags.slice(0, most).map((tag) => (
        <span key={tag} className="tag">
          {tag}
        </span>
      ))}
      {tags.length > most && (
        <span className="quiet" title={tags.slice(most).join(", ")}>
          and {tags.length - most} more
        </span>
      )}
    </span>
  );
