// A program that speaks plain KCP over UDP by kcp-go, to be put against ginnel's own.
//
//	kcp_go dial|accept ADDRESS echo|source|back|sink BYTES
//
// accept takes one conversation. source sends so many bytes; back does too, and waits until they have come
// back from an echo. Whoever has received all says so with one byte. All print what they sent or received.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

const window = 512

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kcp_go:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: kcp_go dial|accept ADDRESS echo|source|back|sink BYTES")
	}
	bytes, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	session, err := open(args[0], args[1])
	if err != nil {
		return err
	}
	defer session.Close()
	session.SetNoDelay(1, 10, 2, 1)
	session.SetWindowSize(window, window)
	session.SetMtu(1400)
	session.SetStreamMode(true)
	session.SetDeadline(time.Now().Add(90 * time.Second))
	switch args[2] {
	case "source":
		if err := source(session, bytes); err != nil {
			return err
		}
		return finish(session)
	case "back":
		failed := make(chan error, 1)
		go func() { failed <- source(session, bytes) }()
		if err := sink(session, bytes); err != nil {
			return err
		}
		return <-failed
	case "echo":
		return echo(session, bytes)
	case "sink":
		return sink(session, bytes)
	}
	return fmt.Errorf("no such task: %s", args[2])
}

func open(role, address string) (*kcp.UDPSession, error) {
	if role == "dial" {
		return kcp.DialWithOptions(address, nil, 0, 0)
	}
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	listener, err := kcp.ServeConn(nil, 0, 0, conn)
	if err != nil {
		return nil, err
	}
	fmt.Println("listening", conn.LocalAddr())
	return listener.AcceptKCP()
}

// The data is a sequence that the other program makes as well: each byte follows from its place.
func fill(block []byte, at int) {
	for index := range block {
		place := uint32(at + index)
		block[index] = byte((place * 2654435761) >> 24)
	}
}

func source(session *kcp.UDPSession, bytes int) error {
	sum := sha256.New()
	block := make([]byte, 8192)
	for at := 0; at < bytes; {
		piece := block[:min(len(block), bytes-at)]
		fill(piece, at)
		sum.Write(piece)
		if _, err := session.Write(piece); err != nil {
			return err
		}
		at += len(piece)
	}
	fmt.Printf("sent %d %x\n", bytes, sum.Sum(nil))
	return nil
}

// The peer says when it has all: kcp-go cannot tell what is acknowledged.
func finish(session *kcp.UDPSession) error {
	block := make([]byte, 1)
	_, err := io.ReadFull(session, block)
	return err
}

func sink(session *kcp.UDPSession, bytes int) error {
	sum := sha256.New()
	if _, err := io.CopyN(sum, session, int64(bytes)); err != nil {
		return err
	}
	fmt.Printf("received %d %x\n", bytes, sum.Sum(nil))
	if _, err := session.Write([]byte{0}); err != nil {
		return err
	}
	// It leaves when it is acknowledged, or sent often enough.
	time.Sleep(500 * time.Millisecond)
	return nil
}

func echo(session *kcp.UDPSession, bytes int) error {
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(session, sum), session, int64(bytes)); err != nil {
		return err
	}
	fmt.Printf("received %d %x\n", bytes, sum.Sum(nil))
	return finish(session)
}
