let 名前 = "a";
