/* SPDX-License-Identifier: BSD-3-Clause */
/* daytime: tells the time to clients of port 13, TCP or UDP (RFC 867). Addresses: see
 * lwip/port.h. */
#include "date.h"
#include "lwip/port.h"

#define PORT 13

static size_t now(char *line, size_t size)
{
	return date_line(kit_wallclock_ns() / 1000000000u, line, size);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	char line[80];
	size_t len = now(line, sizeof(line));

	(void)arg;
	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	if (tcp_write(pcb, line, (uint16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK ||
	    tcp_close(pcb) != ERR_OK) {
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	return ERR_OK;
}

static void asked(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
		  uint16_t port)
{
	char line[80];
	size_t len = now(line, sizeof(line));
	struct pbuf *answer = pbuf_alloc(PBUF_TRANSPORT, (uint16_t)len, PBUF_RAM);

	(void)arg;
	if (answer && port > 1023) { /* no ping-pong with another small service */
		(void)pbuf_take(answer, line, (uint16_t)len);
		(void)udp_sendto(pcb, answer, from, port);
	}
	if (answer)
		pbuf_free(answer);
	pbuf_free(p);
}

int guest_main(void)
{
	kit_traps();
	return port_serve(PORT, accepted, asked);
}
