/** A chart, drawn by ECharts as SVG. The same numbers stand in a table beside it. */
import { useComputedColorScheme } from "@mantine/core";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import type { Tone } from "./state-mark.tsx";

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

export interface Palette {
  readonly tone: (tone: Tone) => string;
  readonly text: string;
  /** By name: the legend's places are computed from the width of its words. */
  readonly font: string;
  readonly line: string;
  readonly surface: string;
}

interface ChartProps {
  /** What it shows, for people who do not see it. */
  readonly label: string;
  readonly height: number;
  readonly option: (palette: Palette) => EChartsCoreOption;
}

function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    tone: (tone) => read(`--tone-${tone}`),
    text: read("--quiet"),
    font: getComputedStyle(document.body).fontFamily,
    line: read("--line"),
    surface: read("--surface"),
  };
}

export function Chart({ label, height, option }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");

  // biome-ignore lint/correctness/useExhaustiveDependencies: the scheme changes what the palette reads.
  useEffect(() => {
    if (place.current === null) return;
    const chart = init(place.current, undefined, { renderer: "svg" });
    chart.setOption({ animation: false, ...option(readPalette()) });
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      chart.dispose();
    };
  }, [option, scheme]);

  return <div ref={place} role="img" aria-label={label} style={{ height }} />;
}
