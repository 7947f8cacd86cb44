/** The first tables. Numbered migrations are never edited: a change is a new number. */
import type { Migration } from "../migration.ts";

export const begin: Migration = {
  number: 1,
  name: "begin",
  statements: [
    `create table accounts (
      id uuid primary key, login text not null unique, name text not null, roles text[] not null,
      password_hash text not null, disabled boolean not null default false,
      created_at timestamptz not null, last_sign_in_at timestamptz)`,
    `create table sessions (
      digest text primary key, account_id uuid not null references accounts on delete cascade,
      created_at timestamptz not null, expires_at timestamptz not null)`,
    "create index on sessions (account_id)",
    "create index on sessions (expires_at)",
    `create table api_tokens (
      id uuid primary key, name text not null unique, digest text not null unique,
      roles text[] not null, created_by text not null, created_at timestamptz not null,
      expires_at timestamptz not null, last_used_at timestamptz)`,
    `create table rings (
      id uuid primary key, name text not null unique, kind text not null, position int not null,
      deferral_days float8 not null, deadline_days float8 not null, grace_days float8 not null)`,
    `insert into rings (id, name, kind, position, deferral_days, deadline_days, grace_days) values
      (gen_random_uuid(), 'Test', 'test', 0, 0, 0, 0),
      (gen_random_uuid(), 'Ring 1', 'ring', 1, 1, 2, 2),
      (gen_random_uuid(), 'Ring 2', 'ring', 2, 5, 2, 2),
      (gen_random_uuid(), 'Ring 3', 'ring', 3, 9, 5, 2),
      (gen_random_uuid(), 'Last', 'last', 4, 10, 3, 2)`,
    `create table enrolment_tokens (
      id uuid primary key, name text not null, digest text not null unique, tags text[] not null,
      ring_id uuid references rings, expires_at timestamptz not null, uses_max int not null,
      uses int not null default 0, created_by text not null, created_at timestamptz not null)`,
    `create table devices (
      id uuid primary key, hostname text not null, system text not null default '',
      public_key text not null unique, enrolled_at timestamptz not null,
      ring_id uuid references rings, tags text[] not null,
      readiness text not null default 'not-registered',
      compliance text not null default 'not-ready', compliance_rank int not null default 0,
      reason text, open_cves text[] not null default '{}', build_ids text[] not null default '{}',
      packages text[] not null default '{}')`,
    "create index on devices (hostname, id)",
    "create index on devices (compliance_rank, hostname, id)",
    "create index on devices (compliance)",
    "create index on devices (readiness)",
    "create index on devices (ring_id, hostname, id)",
    "create index on devices using gin (tags)",
    "create index on devices using gin (open_cves)",
    "create index on devices using gin (build_ids)",
    "create index on devices using gin (packages)",
    `create table device_facts (
      device_id uuid primary key references devices on delete cascade,
      serial int8 not null default 0, event_serial int8 not null default 0,
      kernel text not null default '', processor text not null default '',
      agent_version text not null default '',
      findings jsonb not null default '[]', components jsonb not null default '[]')`,
    `create table device_contacts (
      device_id uuid primary key references devices on delete cascade,
      last_seen_at timestamptz, connected_until timestamptz,
      assignment_serial int8 not null default 0, generation int8 not null default 1)
      with (fillfactor = 70)`,
    `create table device_events (
      device_id uuid not null references devices on delete cascade, serial int8 not null,
      at timestamptz not null, kind text not null, target text, code text, detail text not null,
      primary key (device_id, serial))`,
    `create table device_updates (
      device_id uuid not null references devices on delete cascade, target text not null,
      state text, code text, detail text, signal text, pause_microseconds float8,
      processes int, at timestamptz not null, concerned boolean not null default false,
      protected boolean not null default false, primary key (device_id, target))`,
    "create index on device_updates (target, state, protected) where concerned",
    `create table device_cves (
      device_id uuid not null references devices on delete cascade, cve text not null,
      exposed_at timestamptz not null, protected_at timestamptz, primary key (device_id, cve))`,
    "create index on device_cves (cve, protected_at)",
    `create table assignments (
      device_id uuid primary key references devices on delete cascade, serial int8 not null,
      document text not null, signature text not null, content text not null,
      fleet_generation int8 not null, device_generation int8 not null,
      issued_at timestamptz not null, expires_at timestamptz not null)`,
    `create table nonces (
      device_id uuid not null, nonce text not null, expires_at timestamptz not null,
      primary key (device_id, nonce))`,
    "create index on nonces (expires_at)",
    `create table groups (
      id uuid primary key, name text not null unique, description text, scope jsonb,
      changed_at timestamptz not null, changed_by text not null)`,
    `create table group_devices (
      group_id uuid not null references groups on delete cascade,
      device_id uuid not null references devices on delete cascade,
      primary key (group_id, device_id))`,
    "create index on group_devices (device_id)",
    `create table policies (
      id uuid primary key, name text not null unique, description text, group_ids uuid[] not null,
      precedence int not null, settings jsonb not null, gates jsonb not null,
      changed_at timestamptz not null, changed_by text not null)`,
    `create table fleet (
      id int primary key default 1 check (id = 1), paused boolean not null default false,
      pause_reason text, generation int8 not null default 1,
      catalog_generation int8 not null default 1)`,
    "insert into fleet (id) values (1)",
    `create table channel (
      id int primary key default 1 check (id = 1), verified_at timestamptz, expires_at timestamptz,
      problem jsonb, problems jsonb not null default '[]',
      calendar jsonb not null default '{"plannedMonths":[],"entries":[]}')`,
    "insert into channel (id) values (1)",
    `create table updates (
      target text primary key, sha256 text not null, position int not null, entry jsonb not null,
      first_seen_at timestamptz not null)`,
    `create table rollouts (
      id uuid primary key, name text not null, target text not null, sha256 text not null,
      state text not null, created_by text not null,
      created_at timestamptz not null, group_ids uuid[] not null, version int8 not null default 1,
      document jsonb not null, waits jsonb not null default '[]', decide_at timestamptz)`,
    "create index on rollouts (created_at desc, id)",
    "create index on rollouts (state)",
    `create table rollout_devices (
      rollout_id uuid not null references rollouts on delete cascade,
      device_id uuid not null references devices on delete cascade, ring_id uuid not null,
      state text not null, code text, detail text, signal text, at timestamptz not null,
      attempt int not null default 0, revert_asked boolean not null default false,
      primary key (rollout_id, device_id))`,
    "create index on rollout_devices (device_id)",
    "create index on rollout_devices (rollout_id, ring_id, state)",
    `create table alerts (
      id uuid primary key, key text not null, code text not null, severity text not null,
      text text not null, remediation text not null,
      device_id uuid references devices on delete cascade,
      rollout_id uuid references rollouts on delete cascade, raised_at timestamptz not null,
      acknowledged_by text, resolved_at timestamptz)`,
    "create unique index on alerts (key) where resolved_at is null",
    "create index on alerts (raised_at desc, id)",
    `create table audit (
      position int8 primary key, at timestamptz not null, who text not null, action text not null,
      object text not null, reason text, detail text not null, previous text not null,
      digest text not null)`,
    "create table compliance_days (day text primary key, counts jsonb not null)",
  ],
};
