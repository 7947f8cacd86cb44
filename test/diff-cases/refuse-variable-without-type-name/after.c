static struct { long total; int open; } counters;
long total(void) { return counters.total; }
void count(long bytes) { counters.open++; counters.total += bytes; }
