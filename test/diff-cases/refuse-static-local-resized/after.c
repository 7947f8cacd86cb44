int next(int at) { static int slots[8]; return ++slots[at]; }
