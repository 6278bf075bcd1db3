/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that can be checked, and a TCP exchange of them: shared by the test guest and dom0's side.
 */
#ifndef TESTS_XEN_GUEST_XFER_H
#define TESTS_XEN_GUEST_XFER_H

#include <stddef.h>
#include <stdint.h>

#define XFER_PORT 7007

/*
 * The pattern is a function of seed and position, so that lost, doubled and reordered parts show.
 * at is the position of buf[0] in 8-byte words; words counts 8-byte words.
 */
void pattern_fill(uint64_t *buf, size_t words, uint64_t at, uint64_t seed);

/* The index of the first wrong word, or words when all are right. */
size_t pattern_check(const uint64_t *buf, size_t words, uint64_t at, uint64_t seed);

/* One connection of a server: takes or gives what its client asks for. 0, or -1 when it ended
 * early. */
int xfer_serve(int fd);

/* Sends bytes (a multiple of 8) over fd; 0 when the other side has verified all of them. */
int xfer_put(int fd, uint64_t bytes);

/* Asks for bytes (a multiple of 8); 0 when all came and were right. */
int xfer_get(int fd, uint64_t bytes);

/* A connection to host (numeric, IPv4 or IPv6), waiting up to ten seconds for an answer; -1
 * without. */
int xfer_connect(const char *host, const char *port);

/* A listening socket on every address; -1 when there is none to be had. */
int xfer_listen(unsigned int port);

#endif
