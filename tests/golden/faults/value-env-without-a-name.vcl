let a = env();
