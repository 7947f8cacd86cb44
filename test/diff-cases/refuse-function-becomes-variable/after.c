int thing = 7;
