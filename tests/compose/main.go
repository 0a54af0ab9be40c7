// Reads compose files by the library that Docker Compose reads them with, and says what is not as it should be:
//
//	compose ENV_FILE FILE...
//
// Files that are not clean, ports beyond loopback, images of no version, services without a health check, and programs of ours
// that may write to their own files or are root.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Those that end by themselves have nothing to be asked.
var endsByItself = []string{"topics", "shop", "client"}

var ours = []string{"topics", "stream", "rules", "sink", "shop", "client"}

func main() {
	project, err := load(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	wrong := 0
	for _, name := range project.ServiceNames() {
		for _, said := range complaints(project.Services[name]) {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, said)
			wrong++
		}
	}
	fmt.Printf("%s: %d services, %d complaints\n", project.Name, len(project.Services), wrong)
	if wrong > 0 || len(project.Services) == 0 {
		os.Exit(1)
	}
}

func load(env string, files []string) (*types.Project, error) {
	options, err := cli.NewProjectOptions(files, cli.WithEnvFiles(env), cli.WithDotEnv, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func complaints(service types.ServiceConfig) []string {
	var said []string
	for _, port := range service.Ports {
		if port.HostIP != "127.0.0.1" {
			said = append(said, fmt.Sprintf("port %s is published beyond loopback", port.Published))
		}
	}
	isOurs := slices.Contains(ours, service.Name)
	if !isOurs {
		if at := strings.LastIndex(service.Image, ":"); at < 0 || service.Image[at:] == ":latest" {
			said = append(said, "image '"+service.Image+"' is of no version")
		}
	}
	if !slices.Contains(endsByItself, service.Name) && (service.HealthCheck == nil || len(service.HealthCheck.Test) == 0) {
		said = append(said, "nothing tells its health")
	}
	if isOurs && (!service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || service.Privileged) {
		said = append(said, "it may do more than it needs")
	}
	return said
}
