// The OpenSSL of this process: which of its functions are used, whether it is there, what it says.
//
// Every function is declared weak, so that the addon loads in a process that has none of them (its
// addresses are null then) although it is linked `-z now`; findOpensslProblem() is asked before the
// first call. Each *_openssl file includes this one, before or behind the library's headers.
// Invariant: the list is complete (test/tidy finds a function that is missing in it), and nothing
// of the library is called when the addon is loaded. Its global settings are the process's: never
// ours.
#pragma once

#include <string>

#include "runtime/base.h"

// clang-format off
#define HF_OPENSSL_FUNCTIONS(X) \
  X(ASN1_STRING_get0_data) X(ASN1_STRING_length) X(ASN1_TIME_to_tm) X(BIO_clear_flags) \
  X(BIO_ctrl) X(BIO_free_all) X(BIO_get_data) X(BIO_meth_free) X(BIO_meth_new) \
  X(BIO_meth_set_ctrl) X(BIO_meth_set_read_ex) X(BIO_meth_set_write_ex) X(BIO_new) \
  X(BIO_new_mem_buf) X(BIO_s_mem) X(BIO_set_data) X(BIO_set_flags) X(BIO_set_init) \
  X(CRYPTO_memcmp) X(CRYPTO_memdup) X(ERR_clear_error) X(ERR_get_error) X(ERR_peek_last_error) \
  X(ERR_reason_error_string) X(EVP_CIPHER_CTX_ctrl) X(EVP_CIPHER_CTX_free) X(EVP_CIPHER_CTX_new) \
  X(EVP_CIPHER_fetch) X(EVP_CIPHER_free) X(EVP_CIPHER_get_iv_length) X(EVP_CipherInit_ex) \
  X(EVP_DecryptFinal_ex) X(EVP_DecryptInit_ex2) X(EVP_DecryptUpdate) X(EVP_Digest) \
  X(EVP_EncryptFinal_ex) X(EVP_EncryptInit_ex2) X(EVP_EncryptUpdate) X(EVP_KDF_CTX_free) \
  X(EVP_KDF_CTX_new) X(EVP_KDF_derive) X(EVP_KDF_fetch) X(EVP_KDF_free) \
  X(EVP_MAC_CTX_set_params) X(EVP_PKEY_free) X(EVP_PKEY_get_base_id) X(EVP_sha256) \
  X(GENERAL_NAMES_free) X(GENERAL_NAME_get0_value) X(OPENSSL_sk_new_null) X(OPENSSL_sk_num) \
  X(OPENSSL_sk_pop_free) X(OPENSSL_sk_push) X(OPENSSL_sk_value) X(OSSL_PARAM_construct_end) \
  X(OSSL_PARAM_construct_int) X(OSSL_PARAM_construct_octet_string) \
  X(OSSL_PARAM_construct_utf8_string) X(OpenSSL_version_num) X(PEM_read_bio_PrivateKey) \
  X(PEM_read_bio_X509) X(PEM_read_bio_X509_CRL) X(RAND_bytes) X(SSL_CIPHER_get_name) \
  X(SSL_CIPHER_get_protocol_id) X(SSL_CTX_callback_ctrl) X(SSL_CTX_ctrl) X(SSL_CTX_free) \
  X(SSL_CTX_get_cert_store) X(SSL_CTX_get_ciphers) X(SSL_CTX_get_ex_data) X(SSL_CTX_new) \
  X(SSL_CTX_sess_set_new_cb) X(SSL_CTX_set_alpn_protos) X(SSL_CTX_set_alpn_select_cb) \
  X(SSL_CTX_set_cipher_list) X(SSL_CTX_set_ciphersuites) X(SSL_CTX_set_client_CA_list) \
  X(SSL_CTX_set_client_hello_cb) X(SSL_CTX_set_ex_data) X(SSL_CTX_set_keylog_callback) \
  X(SSL_CTX_set_max_early_data) X(SSL_CTX_set_msg_callback) X(SSL_CTX_set_num_tickets) \
  X(SSL_CTX_set_options) X(SSL_CTX_set_recv_max_early_data) X(SSL_CTX_set_security_level) \
  X(SSL_CTX_set_session_id_context) X(SSL_CTX_set_timeout) \
  X(SSL_CTX_set_tlsext_ticket_key_evp_cb) X(SSL_CTX_set_verify) X(SSL_CTX_set_verify_depth) \
  X(SSL_CTX_use_cert_and_key) X(SSL_SESSION_free) X(SSL_SESSION_get_master_key) \
  X(SSL_SESSION_get_max_fragment_length) X(SSL_SESSION_is_resumable) \
  X(SSL_client_hello_get0_ext) X(SSL_ctrl) X(SSL_do_handshake) X(SSL_free) \
  X(SSL_get0_alpn_selected) X(SSL_get0_param) X(SSL_get0_peer_certificate) X(SSL_get1_session) \
  X(SSL_get_SSL_CTX) X(SSL_get_certificate) X(SSL_get_client_random) X(SSL_get_current_cipher) \
  X(SSL_get_error) X(SSL_get_ex_data) X(SSL_get_key_update_type) X(SSL_get_server_random) \
  X(SSL_get_session) X(SSL_get_shutdown) X(SSL_get_verify_result) X(SSL_has_pending) \
  X(SSL_is_init_finished) X(SSL_new) X(SSL_read_ex) X(SSL_session_reused) X(SSL_set1_host) \
  X(SSL_set_SSL_CTX) X(SSL_set_accept_state) X(SSL_set_bio) X(SSL_set_connect_state) \
  X(SSL_set_ex_data) X(SSL_set_num_tickets) X(SSL_set_options) X(SSL_set_session) \
  X(SSL_set_session_id_context) X(SSL_set_shutdown) X(SSL_set_verify) X(SSL_set_verify_depth) \
  X(SSL_shutdown) X(SSL_version) X(SSL_want) X(SSL_write_ex) X(TLS_client_method) \
  X(TLS_server_method) X(X509_CRL_free) X(X509_NAME_dup) X(X509_NAME_free) X(X509_NAME_print_ex) \
  X(X509_STORE_add_cert) X(X509_STORE_add_crl) X(X509_STORE_set_flags) \
  X(X509_VERIFY_PARAM_set1_ip_asc) X(X509_VERIFY_PARAM_set_hostflags) X(X509_check_private_key) \
  X(X509_digest) X(X509_free) X(X509_get0_notAfter) X(X509_get0_notBefore) X(X509_get_ext_d2i) \
  X(X509_get_subject_name) X(X509_verify_cert_error_string)
// clang-format on

#define HF_OPENSSL_PRAGMA(text) _Pragma(#text)
#define HF_OPENSSL_WEAK(name) HF_OPENSSL_PRAGMA(weak name)
HF_OPENSSL_FUNCTIONS(HF_OPENSSL_WEAK)

namespace holdfast::tls {

// One sentence on why TLS cannot be had in this process, or null. Calls one harmless function.
[[nodiscard]] const char* findOpensslProblem();

// What the library reports for this thread, the first cause first; the queue is empty afterwards.
// `code` gets the reason number when it is not null.
std::string takeOpensslError(u32* code = nullptr);

}  // namespace holdfast::tls
