enum { DEPTH_MAX = 50 };
int descend(int depth) { return depth < DEPTH_MAX; }
