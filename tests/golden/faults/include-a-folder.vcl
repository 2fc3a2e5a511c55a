include "../parts";
