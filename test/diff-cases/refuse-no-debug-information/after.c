int limit(int value) { return value > 9; }
