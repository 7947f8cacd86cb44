/** Rows and columns. Sorting, where a column has a sort value, happens here or on the server. */
import { Table, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import {
  createColumnHelper,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_basic,
  type Column as TableColumn,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { type ReactNode, useMemo } from "react";

interface Meta {
  readonly isNumber: boolean;
  readonly isWide: boolean;
}

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic },
  columnMeta: {} as Meta,
});

export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  /** Aligned to the right, all digits of one width. */
  readonly isNumber?: boolean;
  /** Takes what room there is. */
  readonly isWide?: boolean;
  /** Makes the column sortable by this value. */
  readonly sortBy?: (row: Row) => string | number;
}

interface DataTableProps<Row> {
  /** What the table holds, for people who do not see it. */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly rowId: (row: Row) => string;
  readonly empty?: ReactNode;
}

export function DataTable<Row extends object>({
  label,
  rows,
  columns,
  rowId,
  empty,
}: DataTableProps<Row>) {
  const definitions = useMemo(() => {
    const helper = createColumnHelper<typeof features, Row>();
    return columns.map(({ id, header, cell, isNumber = false, isWide = false, sortBy }) =>
      helper.accessor((row): unknown => sortBy?.(row) ?? "", {
        id,
        header,
        cell: ({ row }) => cell(row.original),
        enableSorting: sortBy !== undefined,
        sortFn: "basic",
        sortDescFirst: false,
        meta: { isNumber, isWide },
      }),
    );
  }, [columns]);
  const data = useMemo(() => [...rows], [rows]);
  const table = useTable({ features, columns: definitions, data, getRowId: rowId });

  if (rows.length === 0 && empty !== undefined) return empty;
  return (
    <Table.ScrollContainer
      minWidth={480}
      type="native"
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      <Table className="table" aria-label={label}>
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id}>
              {group.headers.map((header) => (
                <Table.Th
                  key={header.id}
                  scope="col"
                  className={classOf(header.column.columnDef.meta)}
                  aria-sort={sortedAs(header.column.getIsSorted())}
                >
                  {header.column.getCanSort() ? (
                    <SortButton column={header.column}>
                      <table.FlexRender header={header} />
                    </SortButton>
                  ) : (
                    <table.FlexRender header={header} />
                  )}
                </Table.Th>
              ))}
            </Table.Tr>
          ))}
        </Table.Thead>
        <Table.Tbody>
          {table.getRowModel().rows.map((row) => (
            <Table.Tr key={row.id}>
              {row.getAllCells().map((cell) => (
                <Table.Td key={cell.id} className={classOf(cell.column.columnDef.meta)}>
                  <table.FlexRender cell={cell} />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function SortButton<Row extends object>({
  column,
  children,
}: {
  readonly column: TableColumn<typeof features, Row, unknown>;
  readonly children: ReactNode;
}) {
  const sorted = column.getIsSorted();
  return (
    <UnstyledButton className="sort" onClick={() => column.toggleSorting(sorted === "asc")}>
      {children}
      {sorted === "asc" && <IconArrowUp size={13} aria-hidden="true" />}
      {sorted === "desc" && <IconArrowDown size={13} aria-hidden="true" />}
    </UnstyledButton>
  );
}

const sortedAs = (sorted: false | "asc" | "desc") =>
  sorted === "asc" ? "ascending" : sorted === "desc" ? "descending" : undefined;

const classOf = (meta: Meta | undefined): string =>
  [meta?.isNumber && "number", meta?.isWide && "wide"].filter(Boolean).join(" ");
