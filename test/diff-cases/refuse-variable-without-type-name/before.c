static struct { int open; long total; } counters;
long total(void) { return counters.total; }
void count(long bytes) { counters.open++; counters.total += bytes; }
