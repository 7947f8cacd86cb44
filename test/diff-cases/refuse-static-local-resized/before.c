int next(int at) { static int slots[4]; return ++slots[at]; }
