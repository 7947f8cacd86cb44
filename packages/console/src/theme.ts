/** Colours, type and sizes of the console. States have theirs in console.css. */
import { createTheme, type MantineColorsTuple } from "@mantine/core";

const ink: MantineColorsTuple = [
  "#edf3fa",
  "#d9e4f2",
  "#b0c7e4",
  "#84a8d6",
  "#6d9bd8",
  "#4a7cc3",
  "#3a6cb8",
  "#3063a9",
  "#265899",
  "#154b88",
];

/** Greys of the dark scheme, a little towards blue. */
const dark: MantineColorsTuple = [
  "#d8dde4",
  "#bcc4cf",
  "#98a3b1",
  "#6b7686",
  "#3d4755",
  "#303945",
  "#252d37",
  "#1a2028",
  "#141920",
  "#0f1318",
];

export const theme = createTheme({
  respectReducedMotion: true,
  primaryColor: "ink",
  primaryShade: { light: 8, dark: 6 },
  colors: { ink, dark },
  defaultRadius: "sm",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.4" },
    },
  },
  components: {
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    TextInput: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", checkIconPosition: "right" } },
    MultiSelect: { defaultProps: { size: "sm" } },
    TagsInput: { defaultProps: { size: "sm" } },
    Textarea: { defaultProps: { size: "sm", autosize: true, minRows: 2 } },
    Checkbox: { defaultProps: { size: "sm" } },
    Modal: {
      defaultProps: {
        centered: true,
        size: "lg",
        overlayProps: { opacity: 0.4 },
        closeButtonProps: { "aria-label": "Close" },
        // A dialog's heading is no banner of the page.
        attributes: { header: { role: "presentation" } },
      },
    },
    Tooltip: {
      defaultProps: {
        multiline: true,
        maw: 320,
        withArrow: true,
        events: { hover: true, focus: true, touch: true },
      },
    },
  },
});
