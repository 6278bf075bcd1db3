/* SPDX-License-Identifier: BSD-3-Clause */
/* netecho: sends back what comes on port 7, UDP or TCP (RFC 862), and counts; the counters are
 * printed when it is asked to end. Addresses: see lwip/port.h. */
#include "lwip/port.h"

#define PORT 7

static struct {
	uint64_t datagrams, datagram_bytes, connections, stream_bytes;
} count;

/* What came and is not sent back yet is a chain of pbufs: the connection's arg. The window stays
 * closed for these bytes, so that the chain is bounded. */
static void pump(struct tcp_pcb *pcb, struct pbuf *chain)
{
	while (chain) {
		struct pbuf *next = chain->next;

		if (chain->len > tcp_sndbuf(pcb) ||
		    tcp_write(pcb, chain->payload, chain->len, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		count.stream_bytes += chain->len;
		tcp_recved(pcb, chain->len);
		if (next)
			pbuf_ref(next);
		pbuf_free(chain);
		chain = next;
	}
	tcp_arg(pcb, chain);
	(void)tcp_output(pcb);
}

static err_t sent(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
	(void)len;
	pump(pcb, arg);
	return ERR_OK;
}

/* The peer has closed and all is sent back, or it is too late for that. */
static err_t end(struct tcp_pcb *pcb, struct pbuf *chain)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	tcp_err(pcb, NULL);
	if (chain)
		pbuf_free(chain);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

/* After the peer's close: until the rest is sent back. */
static err_t finish(void *arg, struct tcp_pcb *pcb)
{
	pump(pcb, arg);
	return pcb->callback_arg ? ERR_OK : end(pcb, NULL);
}

static err_t finish_sent(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
	(void)len;
	return finish(arg, pcb);
}

static err_t retry(void *arg, struct tcp_pcb *pcb)
{
	pump(pcb, arg);
	return ERR_OK;
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct pbuf *chain = arg;

	if (!p) {
		if (!chain)
			return end(pcb, NULL);
		tcp_sent(pcb, finish_sent);
		tcp_poll(pcb, finish, 1);
		return ERR_OK;
	}
	if (err != ERR_OK) {
		pbuf_free(p);
		return err;
	}
	if (chain)
		pbuf_cat(chain, p);
	else
		chain = p;
	pump(pcb, chain);
	return ERR_OK;
}

static void failed(void *arg, err_t err)
{
	(void)err;
	if (arg)
		pbuf_free(arg);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	count.connections++;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_poll(pcb, retry, 1);
	tcp_err(pcb, failed);
	tcp_nagle_disable(pcb);
	return ERR_OK;
}

static void datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
		     uint16_t port)
{
	(void)arg;
	if (port > 1023) { /* no ping-pong with another small service */
		count.datagrams++;
		count.datagram_bytes += p->tot_len;
		(void)udp_sendto(pcb, p, from, port);
	}
	pbuf_free(p);
}

static void print_counters(void)
{
	const struct kit_net *n = port_vif();

	kit_print("netecho: udp %lu datagrams %lu bytes, tcp %lu connections %lu bytes, "
		  "frames %lu in %lu out %lu dropped\r\n",
		  count.datagrams, count.datagram_bytes, count.connections, count.stream_bytes,
		  n->received, n->sent, n->dropped);
}

int guest_main(void)
{
	kit_traps();
	kit.at_stop = print_counters;
	return port_serve(PORT, accepted, datagram);
}
