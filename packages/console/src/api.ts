/** The REST API for pages: queries and changes by the names of the contract's routes. */
import {
  type Answer,
  ApiError,
  type Call,
  type Me,
  type Permission,
  type Request,
  type RouteName,
} from "@suture/contract";
import {
  keepPreviousData,
  QueryCache,
  QueryClient,
  type UseQueryResult,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { createContext, useContext } from "react";

const RETRIES_MAX = 2;

export const isNotSignedIn = (error: unknown): boolean =>
  error instanceof ApiError && error.code === "not-signed-in";

/** Keeps what the server answered. A session that ended anywhere ends it everywhere. */
export function createQueries(): QueryClient {
  const queries: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        if (isNotSignedIn(error) && query.queryKey[0] !== "me") {
          void queries.invalidateQueries({ queryKey: ["me"] });
        }
      },
    }),
    defaultOptions: {
      mutations: { networkMode: "always" },
      queries: {
        // A server on this network answers where the browser believes itself offline.
        networkMode: "always",
        staleTime: 5_000,
        // What the server has said is not asked again; what did not reach it is.
        retry: (failures, error) => !(error instanceof ApiError) && failures < RETRIES_MAX,
      },
    },
  });
  return queries;
}

/** What one account saw is not shown to the next. */
export const forgetAnswers = (queries: QueryClient): void =>
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" });

export const CallContext = createContext<Call | undefined>(undefined);

/** The client of the API. */
export function useCall(): Call {
  const call = useContext(CallContext);
  if (call === undefined) throw new Error("no CallContext around this component");
  return call;
}

/** What a route answers now, and again whenever the server says that it changed. */
export function useRoute<Name extends RouteName>(
  name: Name,
  request: Request<Name> = {},
  { enabled = true }: { readonly enabled?: boolean } = {},
): UseQueryResult<Answer<Name>, Error> {
  const call = useCall();
  return useQuery<Answer<Name>, Error>({
    queryKey: [name, request],
    // A query must have a value, so no body at all is null.
    queryFn: async () => (await call(name, request)) ?? (null as Answer<Name>),
    placeholderData: keepPreviousData,
    enabled,
  });
}

/** A change: after it everything shown is asked for again. */
export function useChange<Name extends RouteName>(name: Name) {
  const call = useCall();
  const queries = useQueryClient();
  return useMutation<Answer<Name>, Error, Request<Name>>({
    mutationFn: (request) => call(name, request),
    onSuccess: () => queries.invalidateQueries(),
  });
}

export const MeContext = createContext<Me | undefined>(undefined);

/** Who is signed in. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === undefined) throw new Error("no MeContext around this component");
  return me;
}

export const useMay = (permission: Permission): boolean => useMe().permissions.includes(permission);
