let a = lower("A");
