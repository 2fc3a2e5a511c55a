include "/dev/zero";
