/* SPDX-License-Identifier: BSD-3-Clause */
/* The test guest: process 1 of a Linux guest that does what the words of its command line say. */
#ifndef TESTS_XEN_GUEST_GUEST_H
#define TESTS_XEN_GUEST_GUEST_H

#include <stdbool.h>

/* One line on the console, with "guest: " in front. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits up to half a minute for a path to exist; false when it does not come. */
bool appears(const char *path);

/* eth<index>: address/prefix (IPv4 or IPv6), then up; waits for its carrier. False: it cannot be
 * now. */
bool net_address(unsigned int index, const char *address);

/* Answers in processes of its own: one line on TCP port 13, pattern transfers (xfer.h), and on port
 * 7 what is sent there, with the number of the answer on its connection in front. */
void net_serve(void);

/* "put" or "get" with "address:port:MiB". */
void net_transfer(const char *way, char *what);

/* Brings eth0 to eth<n-1> up, waits for the carrier of each, and says how many have one and the
 * least and the largest number of queues. */
void net_count(unsigned int n);

/* Says how much memory the kernel counts. */
void mem_report(void);

/* "most:least": waits until the kernel counts no more than `most` MiB, then until it counts
 * `least`, and fills and verifies what is free then. */
void mem_grown(const char *what);

/* "MiB:rate": writes so many MiB a second of so many, and every half second says whether they are
 * as they were written and how long the longest hole in the wall clock was; for ever. */
void churn(const char *what);

/* "write", "verify", "keep" (verify, or write when it is not there) or "ro" with "device:MiB:seed".
 */
void disk_do(const char *way, char *what);

/* In a process of its own: writes a number that grows to the device, past the page cache, and reads
 * it back; says every tenth, and each that is wrong. */
void disk_count(const char *device);

/* Prints every node the guest finds in its store: "store: path = value". */
void store_dump(void);

/* In a process of its own: eth0 gets the address that the node vm-data/ip says, whenever it says
 * another one, and data/ready is written then. */
void store_address(void);

#endif
