/** Who is signed in decides what there is to see: the sign-in page or the console. */
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import type { Call } from "@suture/contract";
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { CallContext, isNotSignedIn, MeContext, useRoute } from "./api.ts";
import { SignInPage } from "./pages/sign-in.tsx";
import { createConsoleRouter, preloadPages } from "./routes.tsx";
import { theme } from "./theme.ts";
import { ErrorNote } from "./ui/error-note.tsx";
import { Clock } from "./ui/when.tsx";

interface AppProps {
  readonly call: Call;
  readonly queries: QueryClient;
}

export const App = ({ call, queries }: AppProps) => (
  <MantineProvider theme={theme} defaultColorScheme="auto">
    <Notifications position="bottom-right" autoClose={6000} />
    <QueryClientProvider client={queries}>
      <CallContext.Provider value={call}>
        <Clock>
          <Entrance />
        </Clock>
      </CallContext.Provider>
    </QueryClientProvider>
  </MantineProvider>
);

function Entrance() {
  const me = useRoute("me");
  const [router] = useState(createConsoleRouter);
  const isSignedIn = me.data !== undefined;
  useEffect(() => {
    if (isSignedIn) void preloadPages();
  }, [isSignedIn]);
  if (isNotSignedIn(me.error)) return <SignInPage />;
  if (me.data === undefined) {
    return me.error === null ? null : (
      <main className="entrance">
        <ErrorNote error={me.error} again={() => void me.refetch()} />
      </main>
    );
  }
  return (
    <MeContext.Provider value={me.data}>
      <RouterProvider router={router} />
    </MeContext.Provider>
  );
}
