let domain = `scipy.example`;
