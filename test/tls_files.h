/* Certificates for a test, created by openssl(1) in a temporary folder: server.pem for localhost, client.pem, and a key
 * for each. */
#ifndef MW_TEST_TLS_FILES_H
#define MW_TEST_TLS_FILES_H

/* Creates the folder and all files. */
void make_certificates(void);

/* Replaces server.pem and its key. */
void make_server_certificate(void);

void remove_certificates(void);

/* Returns the path of one of the files, valid for the next eight calls. */
const char *in_dir(const char *name);

#endif
