enum { DEPTH_MAX = 100 };
int descend(int depth) { return depth < DEPTH_MAX; }
