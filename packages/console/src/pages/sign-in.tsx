/** Sign in with an account of the control plane. */
import { Button, PasswordInput, TextInput, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { forgetAnswers, useCall } from "../api.ts";
import { ErrorNote } from "../ui/error-note.tsx";

export function SignInPage() {
  const call = useCall();
  const queries = useQueryClient();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  useDocumentTitle("Sign in · Suture");

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const me = await call("signIn", { body: { login: login.trim(), password } });
      forgetAnswers(queries);
      queries.setQueryData(["me", {}], me);
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
    setBusy(false);
  };

  return (
    <main className="entrance">
      <form onSubmit={submit} className="form entrance-form">
        <div>
          <img src="/suture.svg" alt="" width={36} height={36} />
          <Title order={1}>Sign in to Suture</Title>
        </div>
        <TextInput
          label="Login"
          autoComplete="username"
          autoFocus
          required
          withAsterisk={false}
          value={login}
          onChange={(event) => setLogin(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <ErrorNote error={error} />
        <Button type="submit" size="sm" loading={busy} fullWidth>
          Sign in
        </Button>
      </form>
    </main>
  );
}
