include "../faults/include-in-a-circle.vcl";
