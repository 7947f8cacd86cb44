struct request { int state; };
int parse(struct request *request, int c)
{
  enum { start = 0, name, value } state = request->state;
  if (state == start) state = name;
  else if (c == ':') state = value;
  request->state = state;
  return state == value;
}
