int scan(int c)
{
  if (c > 0) { enum { start, end } state = start; if (c == 3) state = end; return state; }
  else { enum { end, start } state = start; if (c == -3) state = end; return state + 2; }
}
