/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet addresses as text. */
#ifndef CHAOS_BASE_MAC_H
#define CHAOS_BASE_MAC_H

#include <stdint.h>

#define MAC_TEXT 18u /* bytes of the text, with its end */

/* Reads "00:16:3e:01:02:03", in either case, and nothing else; -EINVAL. */
int mac_read(const char *text, uint8_t mac[6]);
void mac_print(const uint8_t mac[6], char out[MAC_TEXT]);

#endif
