let domain = 'scipy.example';
